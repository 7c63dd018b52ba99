// What the bundles get in place of "undici": the same modules, without fetch, WebSocket, caches and
// mocks, which undici's index loads for everyone (docs/decisions/0010-small-bundles.md).
// An import of anything not exported here fails the build.
import connect from "undici/lib/api/api-connect.js";
import request from "undici/lib/api/api-request.js";
import Agent from "undici/lib/dispatcher/agent.js";
import Dispatcher from "undici/lib/dispatcher/dispatcher.js";
import EnvHttpProxyAgent from "undici/lib/dispatcher/env-http-proxy-agent.js";

// Undici's index adds these, with the calls that nobody here makes. Its own agent for proxies asks a
// proxy for tunnels with `connect`.
Dispatcher.prototype.request = request;
Dispatcher.prototype.connect = connect;

export { Agent, EnvHttpProxyAgent };
