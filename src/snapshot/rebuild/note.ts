/** What restbackup itself says in a repository that it fills. */
export function quotedNote(what: string): string {
  return `Made by restbackup rebuild: ${what}.`;
}
