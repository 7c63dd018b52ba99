import { RestbackupError } from "../errors.ts";

/**
 * Does something that `signal` stops. However the caller aborted, what is thrown then is an error
 * of ours: the signal's reason where that is one, else `aborted`.
 */
export async function stoppable<T>(
  signal: AbortSignal | undefined,
  doing: () => Promise<T>,
): Promise<T> {
  try {
    return await doing();
  } catch (error) {
    if (signal?.aborted !== true || error instanceof RestbackupError) throw error;
    throw new RestbackupError("aborted", "Stopped.", { cause: error });
  }
}
