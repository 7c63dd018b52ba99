// What the bundles get in place of "undici": the same modules, without fetch, WebSocket, caches and
// mocks, which undici's index loads for everyone (docs/decisions/0010-small-bundles.md).
// An import of anything not exported here fails the build.
import request from "undici/lib/api/api-request.js";
import Agent from "undici/lib/dispatcher/agent.js";
import Dispatcher from "undici/lib/dispatcher/dispatcher.js";
import EnvHttpProxyAgent from "undici/lib/dispatcher/env-http-proxy-agent.js";

// `dispatcher.request`; undici's index adds it, with the calls that nobody here makes.
Dispatcher.prototype.request = request;

export { Agent, EnvHttpProxyAgent };
