import { describe, expect, it } from "vitest";
import { textSecrets, urlSecrets } from "../../src/action/masks.ts";

describe("what is masked", () => {
  it("an access url, its user, its password, and both as HTTP sends them", () => {
    expect(urlSecrets("https://a1b2c3:s3cr3t@backup.example/")).toEqual([
      "https://a1b2c3:s3cr3t@backup.example/",
      "a1b2c3",
      "s3cr3t",
      "YTFiMmMzOnMzY3IzdA==",
    ]);
  });

  it("the password of a url that is no access url, because it was mistyped", () => {
    expect(urlSecrets("http://a1b2c3:pa:ss@wo/rd@backup.example")).toContain("pa:ss@wo/rd");
  });

  it("a url without user as it stands, and nothing for an empty input", () => {
    expect(urlSecrets("file:///srv/backup")).toEqual(["file:///srv/backup"]);
    expect(urlSecrets("")).toEqual([]);
    expect(textSecrets(" \r\n")).toEqual([]);
  });

  it("a key of several lines whole and line by line, whatever ends the lines", () => {
    const text = "AGE-SECRET-KEY-1A\r\nAGE-SECRET-KEY-1B\n  AGE-SECRET-KEY-1C  \n\n";
    const secrets = textSecrets(text);
    expect(secrets).toEqual([
      text.trim(),
      "AGE-SECRET-KEY-1A",
      "AGE-SECRET-KEY-1B",
      "AGE-SECRET-KEY-1C",
    ]);
  });
});
