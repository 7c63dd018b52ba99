// What "@actions/http-client" gets in place of its own "undici", 400 kB that it loads for one call,
// getAgentDispatcher, which @actions/cache never makes (docs/decisions/0010-small-bundles.md).

export class ProxyAgent {
  constructor() {
    throw new Error("this build of @actions/http-client has no dispatchers");
  }
}
