import { isObject, type Json, type JsonObject } from "./json.ts";

/** What changes while the repository does not, or depends on whose token asks. */
const DRIFTING = new Set([
  ...["avatar_url", "gravatar_id", "download_count", "last_response", "current_user_can_bypass"],
  ...["temp_clone_token", "secret"],
]);

/** The same for the repository itself: counts, times, and what this token may do. */
const DRIFTING_OF_REPOSITORY = new Set([
  ...["stargazers_count", "watchers_count", "watchers", "forks_count", "forks", "network_count"],
  ...["open_issues_count", "open_issues", "subscribers_count", "size", "score", "permissions"],
  ...["pushed_at", "updated_at", "subscribers_url", "security_and_analysis_status"],
]);

/**
 * What GitHub answers, without what a snapshot has no use for: addresses of the API, counts that
 * drift, secrets; of users, apps and other repositories only who they are.
 */
export function tidy(value: Json, apiUrl: string): Json {
  if (Array.isArray(value)) return value.map((one) => tidy(one, apiUrl));
  if (!isObject(value)) return value;
  const who = identityOf(value);
  if (who !== undefined) return who;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]): [string, Json][] => {
      if (inner === undefined || DRIFTING.has(key) || isApiAddress(key, inner, apiUrl)) return [];
      return [[key, tidy(inner, apiUrl)]];
    }),
  );
}

export function tidyRepository(settings: JsonObject, apiUrl: string): JsonObject {
  const { id, full_name, ...rest } = settings;
  const kept = Object.entries(rest).filter(([key]) => !DRIFTING_OF_REPOSITORY.has(key));
  // Its full name is put back afterwards: with it, it would be taken for a mention of another.
  return { ...(tidy(Object.fromEntries(kept), apiUrl) as JsonObject), id, full_name };
}

function identityOf(value: JsonObject): JsonObject | undefined {
  const { id, login, type, full_name, slug, name } = value;
  if (typeof login === "string" && "avatar_url" in value) return { id, login, type };
  if (typeof full_name === "string") return { id, full_name };
  if (typeof slug === "string" && "events" in value) return { id, slug, name };
  return undefined;
}

function isApiAddress(key: string, value: Json, apiUrl: string): boolean {
  if (key === "_links") return true;
  return /(^|_)url$/.test(key) && typeof value === "string" && value.startsWith(`${apiUrl}/`);
}
