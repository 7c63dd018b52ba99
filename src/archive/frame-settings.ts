/** Tar bytes in a frame, at most. */
export const FRAME_SIZE = 2 * 2 ** 20;

/** zstd's level where none is asked for. */
export const DEFAULT_LEVEL = 3;
