import { Accounts } from "../../../src/server/accounts.ts";
import { Sweeper } from "../../../src/server/sweep.ts";
import { TrustedClock } from "../../../src/server/trusted-clock.ts";

/** A process that starts as a server does, sweeps a data folder once, and says so before. */
const dataDir = process.argv[2]!;
const clock = new TrustedClock(dataDir);
const accounts = new Accounts(dataDir, () => clock.now());
const sweeper = new Sweeper(accounts, clock, { report: () => {} });
await accounts.openAll();
console.log("sweeping");
const { failures } = await sweeper.sweep();
if (failures.length > 0) throw new Error(JSON.stringify(failures));
