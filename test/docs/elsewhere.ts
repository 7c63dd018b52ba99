/**
 * Blocks that test/docs/examples.test.ts does not run: by document and first line, the test that does,
 * or what they are instead of commands. `*` is every block of a document.
 */
export const ELSEWHERE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "README.md": {
    "npm ci && npm test": "it is what runs this test: .ci/run",
    "npm run bench":
      "minutes of measuring; test/docs/readme.test.ts sees that there is such a script",
  },
  "docs/disaster.md": { "*": "test/docs/disaster.test.ts, every command" },
  "docs/format.md": { "*": "layouts; test/format/format.test.ts reads and writes by them" },
  "docs/server.md": {
    "apt-get update && apt-get install -y curl git nginx certbot ufw":
      "installs on a machine, as root, from the network",
    "useradd --system --user-group --home-dir /srv/restbackup --no-create-home --shell /usr/sbin/nologin restbackup":
      "makes a user of a machine; test/server/unit.test.ts and test/docs/server.test.ts know what for",
    "install -m 0644 /opt/restbackup/contrib/restbackup.service /etc/systemd/system/":
      "test/server/unit.test.ts checks the service; test/docs/server.test.ts the options",
    "ufw allow OpenSSH": "the firewall of a machine",
    "certbot certonly --webroot -w /var/www/html -d backup.example.com --deploy-hook 'systemctl reload nginx'":
      "needs a certificate authority; test/server/proxy.test.ts runs nginx with the configuration",
    "error: the clock says 2027-12-28 17:00:00Z, 9,600 hours ahead of what the server knows: …":
      "what is printed; test/server/clock-guard.test.ts",
    "map $uri $loggable { ~^/session/ 0; default 1; }":
      "of nginx's configuration; test/server/proxy.test.ts runs contrib/nginx.conf, which has it",
    "#!/bin/sh": "hands files to a user of the machine",
    "certbot certonly --standalone -d backup.example.com": "needs a certificate authority",
    "version.json             format and version of this layout: 2":
      "the layout of a folder; test/server/accounts.test.ts",
    '{"level":"info","time":"2026-11-23T09:40:12.345Z","method":"PUT","path":"/website-20261123T094012Z.tar.zst.age","status":201,"username":"8Fq2…","remoteAddress":"192.0.2.7","milliseconds":1310,"bytesIn":52428977,"bytesOut":312,"requestId":"5f0c1a2b-1z","message":"answered"}':
      "what is logged; test/cli/serve.test.ts",
    "git -C /opt/restbackup pull": "the services of a machine",
    "rsync -a --exclude .restbackup/tmp root@backup.example.com:/srv/restbackup/ /srv/restbackup-copy/":
      "copies between machines",
    "systemctl stop restbackup": "copies between machines, and its services",
  },
  "docs/snapshots.md": {
    "restbackup snapshot octo-org/website --token-file token.txt":
      "needs GitHub; test/cli/snapshot.test.ts runs the command on a GitHub of its own",
    "restbackup rebuild ./website-snapshot --to octo-org/website-again --dry-run":
      "needs GitHub; test/snapshot/rebuild.test.ts does it on a GitHub of its own",
  },
};
