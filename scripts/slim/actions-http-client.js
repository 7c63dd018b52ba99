// What the bundles get in place of "@actions/http-client", 400 kB that @actions/core loads for one
// call, getIDToken, which we never make (docs/decisions/0010-small-bundles.md).

function unavailable() {
  throw new Error("this build of @actions/core has no HTTP client: getIDToken is not available");
}

export const HttpClient = unavailable;
export const BearerCredentialHandler = unavailable;
