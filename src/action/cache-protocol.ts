/** What is cached, by its name in the folder that the cache process works in. */
export const ARCHIVE = "archive";

/** How the cache process ends. */
export const EXIT = { done: 0, failed: 1, missed: 3, unavailable: 4 } as const;
