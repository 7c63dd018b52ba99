// What commander gets in place of node:child_process, which takes longer to load than commander does:
// it starts subcommands that are programs of their own, and ours are functions.
export default {
  spawn() {
    throw new Error("no subcommand is a program of its own");
  },
};
