import type { Store } from "../stores/store.ts";
import type { CachedStore } from "./cached-store.ts";

/** The store with the runner's cache in front, loaded only when a step asks for it. */
export async function cacheFor(use: "saving" | "loading", store: Store): Promise<CachedStore> {
  const { loadingStore, savingStore } = await import("./cached-store.ts");
  const { actionsCache } = await import("./cache-service.ts");
  const cache = actionsCache(process.env);
  return use === "saving" ? savingStore(store, cache) : loadingStore(store, cache);
}
