import type { Dispatcher } from "undici";
import { createDispatcher } from "../stores/dispatcher.ts";
import type { Environment } from "../stores/proxy.ts";

/** Does something with connections to any origin, through the machine's proxies, and closes them. */
export async function withConnections<T>(
  env: Environment,
  work: (dispatcherFor: (origin: string) => Dispatcher) => Promise<T>,
): Promise<T> {
  const dispatchers = new Map<string, Dispatcher>();
  try {
    return await work((origin) => {
      const dispatcher = dispatchers.get(origin) ?? createDispatcher(origin, env);
      dispatchers.set(origin, dispatcher);
      return dispatcher;
    });
  } finally {
    await Promise.all([...dispatchers.values()].map((one) => one.destroy()));
  }
}
