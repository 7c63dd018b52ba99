import { type ErrorCode, RestbackupError } from "../../errors.ts";
import { printable } from "../../naming.ts";

/** What GitHub did not do. The message has no secret in it. */
export class GithubFailure extends RestbackupError {
  /** Of HTTP; 0 when there was no answer. */
  readonly status: number;

  constructor(status: number, words: string) {
    const said = printable(words.replaceAll(/\s+/g, " ").trim().replace(/\.$/, ""));
    super(codeOf(status), `${beginningOf(status)}: ${said}.`);
    this.status = status;
  }

  /** Whether that is what this repository, or this token, gets each time. */
  get isRefusal(): boolean {
    return [401, 403, 404, 410, 451].includes(this.status);
  }
}

function beginningOf(status: number): string {
  if (status === 0) return "GitHub could not be reached";
  return status < 400 ? "GitHub's answer cannot be used" : `GitHub answered ${status}`;
}

function codeOf(status: number): ErrorCode {
  if (status === 404 || status === 410) return "not-found";
  return status === 0 || status >= 500 || status === 429 ? "store-unreachable" : "store-refused";
}
