// What the bundles get in place of "undici": the same modules, without fetch, WebSocket, caches and
// mocks, which undici's index loads for everyone (docs/decisions/0010-small-bundles.md).
// An import of anything not exported here fails the build.
import apiRequest from "undici/lib/api/api-request.js";
import errors from "undici/lib/core/errors.js";
import Agent from "undici/lib/dispatcher/agent.js";
import Dispatcher from "undici/lib/dispatcher/dispatcher.js";
import EnvHttpProxyAgent from "undici/lib/dispatcher/env-http-proxy-agent.js";

// As undici's index does for all of its calls.
Dispatcher.prototype.request = apiRequest;

/** `undici.request`, for callers that name their dispatcher. */
function request(url, { dispatcher, ...options }) {
  const { origin, pathname, search } = new URL(url);
  return dispatcher.request({
    ...options,
    origin,
    path: pathname + search,
    method: options.method ?? (options.body ? "PUT" : "GET"),
  });
}

export { Agent, EnvHttpProxyAgent, errors, request };
