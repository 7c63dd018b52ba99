import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { ioError, RestbackupError, systemCode } from "../../errors.ts";
import { printable } from "../../naming.ts";
import { checkPlatform } from "../file-maker.ts";
import { pathFromBytes, pathToBytes, systemPath } from "../path-bytes.ts";
import type { Dumpdir, Rename } from "./dumpdir.ts";
import { memberPath, parentOf, within } from "./member-path.ts";
import type { TarMember } from "./reader.ts";
import type { Room } from "./room.ts";

export interface TreeOptions {
  /** A folder of its own, empty at first, that nobody else writes to. */
  readonly root: string;
  /** Give entries their recorded owners. */
  readonly sameOwner: boolean;
  readonly room: Room;
  /** Told of what cannot be put back as it was. */
  readonly warn: (warning: string) => void;
}

/** What a folder gets when all in it is there; its mode alone where only that was touched. */
interface FolderLook {
  readonly mode: number;
  readonly member?: TarMember;
}

/** Something that was renamed: paths before and after. */
interface Move {
  readonly from: string;
  readonly to: string;
}

const SET_UID = 0o4000;
const SET_GID = 0o2000;
const OWNER_ALL = 0o700;
const MAX_SPECIAL = 10_000;

/**
 * A tree that archives are applied to one after the other, as GNU tar extracts them: later members
 * take the place of earlier ones, and lists of folders rename and delete.
 *
 * Nothing can lead outside: paths have no `..`, every folder on the way to one is looked at before
 * and must be no link, and files are opened with O_EXCL.
 */
export class Tree {
  readonly #options: TreeOptions;
  /** Whether this file system takes different names for the same. */
  readonly #folds: boolean;
  /** Looks that wait for the end of the archive, by path. */
  readonly #looks = new Map<string, FolderLook>();
  readonly #special = new Set<string>();
  /** A folder known to be one, and none of those above it a link. */
  #known = ".";
  #rootRestored = false;

  constructor(options: TreeOptions) {
    this.#options = options;
    this.#folds = foldsNames(options.root);
  }

  /** Whether an archive said how the root itself looks. */
  get rootRestored(): boolean {
    return this.#rootRestored;
  }

  /** Makes a folder, or takes the one that is there. */
  folder(path: string, member: TarMember): void {
    this.#doing(path, () => {
      if (path === ".") this.#rootRestored = true;
      else this.#makeFolder(path);
      this.#looks.set(path, { mode: member.mode, member });
    });
  }

  /** Makes a file in the place of what is there; whoever calls closes it. */
  file(path: string, member: TarMember): NewFile {
    return this.#doing(path, () => {
      const fd = this.#replacing(path, () => fs.openSync(this.#location(path), "wx", 0o600));
      return new NewFile(fd, path, member, this.#options);
    });
  }

  symlink(path: string, member: TarMember): void {
    this.#doing(path, () => {
      if (member.target === "") throw damaged(`${printable(path)} is a link to nothing.`);
      const location = this.#location(path);
      this.#replacing(path, () => fs.symlinkSync(systemPath(member.target), location));
      if (this.#options.sameOwner) fs.lchownSync(location, member.uid, member.gid);
      fs.lutimesSync(location, member.mtime, member.mtime);
    });
  }

  hardlink(path: string, member: TarMember): void {
    this.#doing(path, () => {
      const target = memberPath(member.target);
      const source = this.#enter(parentOf(target)) ? this.#stat(target) : undefined;
      if (source === undefined && this.#special.has(target)) return this.special(path);
      if (source === undefined || source.isDirectory()) {
        throw damaged(`The archive links ${printable(path)} to something it does not hold.`);
      }
      this.#enterMaking(parentOf(path));
      const there = this.#stat(path);
      if (there !== undefined && there.ino === source.ino) return;
      this.#replacing(path, () => this.#link(target, source, path, member));
    });
  }

  /** Devices, pipes and what else has no content. */
  special(path: string): void {
    if (this.#special.size < MAX_SPECIAL) this.#special.add(path);
    this.#options.warn(`${printable(path)}: a device or pipe, left out`);
  }

  /**
   * Brings a folder to what it held when the archive was made, but for what is in the archive:
   * renames, then deletes what is not listed. `newest` says that no increment follows: what is not
   * there now is missing.
   */
  dumpdir(path: string, { names, renames }: Dumpdir, newest: boolean): void {
    this.#doing(path, () => {
      const before = this.#names(path);
      this.#rename(renames);
      for (const name of before) {
        const item = within(path, name);
        const stat = this.#enter(path) ? this.#stat(item) : undefined;
        if (stat === undefined) continue;
        const listed = names.get(name);
        const folder = stat.isDirectory();
        if (listed === undefined || (listed === "D" && !folder) || (listed === "Y" && folder)) {
          this.#remove(item);
        }
      }
      if (newest) this.#checkKept(path, names);
    });
  }

  /** After the last member of an archive: modes and times of folders. */
  end(): void {
    while (this.#looks.size > 0) {
      // Deepest first: a folder's time changes with what is made in it, and its mode may forbid that.
      const batch = [...this.#looks].sort(([a], [b]) => b.length - a.length);
      this.#looks.clear();
      for (const [path, look] of batch) this.#doing(path, () => this.#dress(path, look));
      this.#known = ".";
    }
  }

  #dress(path: string, { mode, member }: FolderLook): void {
    // It may have been replaced since.
    if (!this.#enter(parentOf(path)) || this.#stat(path)?.isDirectory() !== true) return;
    const location = this.#location(path);
    if (member !== undefined && this.#options.sameOwner) {
      fs.chownSync(location, member.uid, member.gid);
    }
    fs.chmodSync(location, mode);
    if (member !== undefined) fs.utimesSync(location, member.mtime, member.mtime);
  }

  #location(path: string): string | Buffer {
    checkPlatform(path);
    return systemPath(path === "." ? this.#options.root : `${this.#options.root}/${path}`);
  }

  #doing<T>(path: string, doing: () => T): T {
    try {
      return doing();
    } catch (error) {
      throw ioError(`Cannot restore ${printable(path)}`, error);
    }
  }

  /** What is there, never what a link leads to. Call only after entering its folder. */
  #stat(path: string): fs.Stats | undefined {
    const stat = fs.lstatSync(this.#location(path), { throwIfNoEntry: false });
    if (stat !== undefined && this.#folds && path !== ".") this.#checkName(path);
    return stat;
  }

  #checkName(path: string): void {
    const name = pathToBytes(path.slice(path.lastIndexOf("/") + 1));
    const names = fs.readdirSync(this.#location(parentOf(path)), { encoding: "buffer" });
    if (names.some((other) => name.equals(other))) return;
    throw new RestbackupError(
      "io",
      `The archive holds ${printable(path)} beside another name that this file system takes for the same.`,
      { hint: "Restore on a file system that tells upper and lower case apart." },
    );
  }

  /** Whether a folder is there, every part of its path a folder and none a link. */
  #enter(folder: string): boolean {
    return this.#walk(folder, () => false);
  }

  /** The same, making what is missing. */
  #enterMaking(folder: string): void {
    this.#walk(folder, (part, stat) => {
      if (stat !== undefined) throw notAFolder(folder, part);
      this.#options.room.entry();
      fs.mkdirSync(this.#location(part));
      return true;
    });
  }

  /** @param absent is called with a part that is no folder; says whether it is one afterwards. */
  #walk(folder: string, absent: (part: string, stat: fs.Stats | undefined) => boolean): boolean {
    if (folder === "." || folder === this.#known) return true;
    let end = folder.startsWith(`${this.#known}/`) ? this.#known.length : -1;
    while (end < folder.length) {
      const slash = folder.indexOf("/", end + 1);
      end = slash < 0 ? folder.length : slash;
      const part = folder.slice(0, end);
      const stat = this.#stat(part);
      if (stat?.isDirectory() !== true) {
        if (!absent(part, stat)) return false;
      } else {
        this.#unlock(part, stat);
      }
    }
    this.#known = folder;
    return true;
  }

  /** Lets its owner work in a folder until the end of the archive. */
  #unlock(path: string, { mode }: fs.Stats): void {
    if ((mode & OWNER_ALL) === OWNER_ALL) return;
    fs.chmodSync(this.#location(path), (mode & 0o7777) | OWNER_ALL);
    if (!this.#looks.has(path)) this.#looks.set(path, { mode: mode & 0o7777 });
  }

  #makeFolder(path: string): void {
    this.#enterMaking(parentOf(path));
    const stat = this.#stat(path);
    if (stat?.isDirectory() === true) {
      this.#unlock(path, stat);
      return;
    }
    if (stat !== undefined) this.#remove(path);
    this.#options.room.entry();
    fs.mkdirSync(this.#location(path), { mode: OWNER_ALL });
  }

  /** Makes something new that is no folder, in the place of what is there. */
  #replacing<T>(path: string, make: () => T): T {
    if (path === ".") throw damaged("The archive holds a file without a name.");
    this.#enterMaking(parentOf(path));
    this.#options.room.entry();
    try {
      return make();
    } catch (error) {
      if (systemCode(error) !== "EEXIST" || this.#stat(path) === undefined) throw error;
      this.#remove(path);
      return make();
    }
  }

  #link(target: string, source: fs.Stats, path: string, member: TarMember): void {
    const from = this.#location(target);
    const to = this.#location(path);
    try {
      fs.linkSync(from, to);
    } catch (error) {
      // No hard links here, or no more for this file: its content counts for more than the link.
      const code = systemCode(error) ?? "";
      if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(code)) throw error;
      if (source.isSymbolicLink()) {
        fs.symlinkSync(fs.readlinkSync(from, "buffer"), to);
        fs.lutimesSync(to, member.mtime, member.mtime);
      } else {
        this.#options.room.content(source.size);
        fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL);
        if (this.#options.sameOwner) fs.chownSync(to, source.uid, source.gid);
        fs.chmodSync(to, source.mode & 0o7777);
        fs.utimesSync(to, member.mtime, member.mtime);
      }
      this.#options.warn(`${printable(path)}: copied, since it could not be linked`);
    }
  }

  #names(folder: string): string[] {
    if (!this.#enter(folder)) return [];
    const names = fs.readdirSync(this.#location(folder), { encoding: "buffer" });
    return names.map((name) => pathFromBytes(name));
  }

  #remove(path: string): void {
    this.#known = ".";
    removeTree(this.#location(path));
  }

  #checkKept(path: string, names: Dumpdir["names"]): void {
    const there = new Set(this.#names(path));
    for (const [name, code] of names) {
      if (code !== "N" || there.has(name) || this.#special.has(within(path, name))) continue;
      this.#options.warn(
        `${printable(within(path, name))}: missing; it was there, and none of the archives holds it`,
      );
    }
  }

  /**
   * Renames one after the other. What is in the way was deleted or renamed itself, and the list has
   * not come to it yet: it waits aside. GNU tar itself gives up there.
   */
  #rename(renames: readonly Rename[]): void {
    if (renames.length === 0) return;
    const aside = `.restbackup-${randomUUID()}`;
    fs.mkdirSync(this.#location(aside), { mode: OWNER_ALL });
    const moves: Move[] = [];
    const move = (from: string, to: string): void => {
      this.#move(from, to);
      moves.push({ from, to });
    };
    const setAside = (path: string): string => {
      const place = `${aside}/${moves.length}`;
      move(path, place);
      return place;
    };
    const temporary = `${aside}/temporary`;
    for (const { from, to } of renames) {
      let source = from === undefined ? temporary : this.#find(memberPath(from), moves);
      const target = to === undefined ? temporary : memberPath(to);
      if (source === undefined || source === "." || target === ".") {
        this.#options.warn(
          `${printable(from ?? "")}: missing, so it could not be renamed to ${printable(to ?? "")}`,
        );
        continue;
      }
      if (source === target) continue;
      // Into a new folder of its own name.
      if (target.startsWith(`${source}/`)) source = setAside(source);
      this.#walk(parentOf(target), (part, stat) => {
        if (stat !== undefined) setAside(part);
        fs.mkdirSync(this.#location(part), { mode: OWNER_ALL });
        return true;
      });
      if (this.#stat(target) !== undefined) setAside(target);
      move(source, target);
    }
    this.#remove(aside);
  }

  /** Where something is by this name or, where there is no such thing, what was so named at first. */
  #find(path: string, moves: readonly Move[]): string | undefined {
    const moved = moves.reduce(
      (at, { from, to }) =>
        at === from || at.startsWith(`${from}/`) ? to + at.slice(from.length) : at,
      path,
    );
    return [path, moved].find(
      (place) => this.#enter(parentOf(place)) && this.#stat(place) !== undefined,
    );
  }

  #move(from: string, to: string): void {
    const stat = this.#stat(from);
    // The `..` of a folder changes with its place: it has to be writable.
    if (stat?.isDirectory() === true && (stat.mode & OWNER_ALL) !== OWNER_ALL) {
      fs.chmodSync(this.#location(from), (stat.mode & 0o7777) | OWNER_ALL);
      this.#looks.set(to, { mode: stat.mode & 0o7777 });
    }
    fs.renameSync(this.#location(from), this.#location(to));
    this.#known = ".";
  }
}

/** A file that content is written to. */
export class NewFile {
  readonly #fd: number;
  readonly #path: string;
  readonly #member: TarMember;
  readonly #options: TreeOptions;

  constructor(fd: number, path: string, member: TarMember, options: TreeOptions) {
    this.#fd = fd;
    this.#path = path;
    this.#member = member;
    this.#options = options;
  }

  write(at: number, bytes: Uint8Array): void {
    this.#options.room.content(bytes.length);
    try {
      for (let done = 0; done < bytes.length; ) {
        done += fs.writeSync(this.#fd, bytes, done, bytes.length - done, at + done);
      }
    } catch (error) {
      throw this.#cannot(error);
    }
  }

  /** Mode, owner and time, when all content is there. */
  finish(): void {
    const { size, sparse, uid, gid, mtime } = this.#member;
    try {
      if (sparse) fs.ftruncateSync(this.#fd, size);
      if (this.#options.sameOwner) fs.fchownSync(this.#fd, uid, gid);
      fs.fchmodSync(this.#fd, this.#mode());
      fs.futimesSync(this.#fd, mtime, mtime);
    } catch (error) {
      throw this.#cannot(error);
    }
  }

  close(): void {
    fs.closeSync(this.#fd);
  }

  /** Set-id bits come back only with the owner, and the group, they were given to. */
  #mode(): number {
    const { mode, uid, gid } = this.#member;
    if ((mode & (SET_UID | SET_GID)) === 0 || this.#options.sameOwner) return mode;
    const made = fs.fstatSync(this.#fd);
    const owner = made.uid === uid;
    const kept = (owner ? SET_UID : 0) | (owner && made.gid === gid ? SET_GID : 0);
    const result = mode & (0o1777 | kept);
    if (result !== mode) {
      this.#options.warn(
        `${printable(this.#path)}: set-user-id and set-group-id bits left out, for its owner or group is another`,
      );
    }
    return result;
  }

  #cannot(error: unknown): RestbackupError {
    return ioError(`Cannot restore ${printable(this.#path)}`, error);
  }
}

/** Removes something with all below it, folders that may not be written to included. */
export function removeTree(location: string | Buffer): void {
  const stat = fs.lstatSync(location);
  if (!stat.isDirectory()) {
    fs.unlinkSync(location);
    return;
  }
  if ((stat.mode & OWNER_ALL) !== OWNER_ALL) fs.chmodSync(location, OWNER_ALL);
  for (const name of fs.readdirSync(location, { encoding: "buffer" })) {
    removeTree(Buffer.concat([Buffer.from(location), Buffer.from("/"), name]));
  }
  fs.rmdirSync(location);
}

/** Found by trying: upper and lower case, and letters with marks written in two ways. */
function foldsNames(folder: string): boolean {
  const probe = `.probe-${randomUUID()}-a\u00e9`;
  fs.closeSync(fs.openSync(`${folder}/${probe}`, "wx", 0o600));
  try {
    return [probe.toUpperCase(), probe.normalize("NFD")].some((other) =>
      fs.existsSync(`${folder}/${other}`),
    );
  } finally {
    fs.unlinkSync(`${folder}/${probe}`);
  }
}

function notAFolder(path: string, part: string): RestbackupError {
  return damaged(
    `The archive holds something below ${printable(path)}, where ${printable(part)} is no folder but a file or link.`,
  );
}

function damaged(message: string): RestbackupError {
  return new RestbackupError("damaged", message);
}
