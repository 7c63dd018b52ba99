import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  acceptedState,
  type ClockSight,
  type ClockState,
  CONFIRMATION,
  horizonOf,
  initialState,
  observe,
  timeToStamp,
} from "../../src/server/clock-guard.ts";

const HOUR = 3600;
const DAY = 24 * HOUR;
const START = 1_795_000_000;

/** A machine whose true time is known, and whose clock may be wrong. */
class Machine {
  time = START;
  error = 0;
  booted = START - 5 * DAY;
  boot = "first";
  state: ClockState;

  constructor() {
    this.state = initialState(this.sight, undefined);
  }

  get sight(): ClockSight {
    return { wall: this.time + this.error, uptime: this.time - this.booted, boot: this.boot };
  }

  get horizon(): number {
    return horizonOf(this.state, this.sight);
  }

  /** Runs for a while, with a look at the clocks each hour. */
  run(seconds: number): void {
    for (let left = seconds; left > 0; left -= HOUR) {
      this.time += Math.min(left, HOUR);
      this.look(true);
    }
  }

  look(running: boolean): void {
    this.state = observe(this.state, this.sight, running);
  }

  /** Another process takes over, with or without the machine having been off. */
  restart(off: { for: number } | "process only"): void {
    if (off !== "process only") {
      this.time += off.for;
      this.booted = this.time;
      this.boot += "'";
    }
    this.look(false);
  }
}

describe("what the server may delete by", () => {
  test("is the clock, as long as it goes on like the machine's uptime", () => {
    const machine = new Machine();
    machine.run(30 * DAY);
    expect(machine.horizon).toBe(START + 30 * DAY);
    machine.restart("process only");
    machine.time += 20 * DAY;
    machine.restart("process only");
    expect(machine.state.leap).toBeUndefined();
    expect(machine.horizon).toBe(START + 50 * DAY);
  });

  test("goes on with the uptime while a clock that leapt ahead is not believed", () => {
    const machine = new Machine();
    machine.run(DAY);
    machine.error = 400 * DAY;
    machine.run(5 * DAY);
    expect(machine.horizon).toBe(START + 6 * DAY);
    expect(machine.state.leap?.offset).toBeCloseTo(400 * DAY, -4);
    machine.error = 0;
    machine.run(HOUR);
    expect(machine.state.leap).toBeUndefined();
    expect(machine.horizon).toBe(machine.time);
  });

  test("follows a clock that leapt ahead after a week of running, not before", () => {
    const machine = new Machine();
    machine.error = 400 * DAY;
    machine.run(CONFIRMATION);
    expect(machine.horizon).toBe(machine.time);
    machine.run(HOUR);
    expect(machine.horizon).toBe(machine.time + 400 * DAY);
  });

  test("counts neither the time the machine was off nor another leap for that week", () => {
    const machine = new Machine();
    machine.error = 400 * DAY;
    machine.run(6 * DAY);
    machine.restart({ for: 30 * DAY });
    machine.run(6 * DAY);
    // The second leap, of 30 days off, put the clock elsewhere: the week begins anew.
    expect(machine.horizon).toBeLessThan(machine.time);
    machine.error = 300 * DAY;
    machine.run(6 * DAY);
    expect(machine.horizon).toBeLessThan(machine.time);
  });

  test("keeps counting the week over restarts of the process", () => {
    const machine = new Machine();
    machine.error = 400 * DAY;
    for (let day = 0; day < 8; day += 1) {
      machine.restart("process only");
      machine.run(DAY);
    }
    expect(machine.horizon).toBe(machine.time + 400 * DAY);
  });

  test("is the clock after a night off, and not at once after a month", () => {
    const machine = new Machine();
    machine.run(DAY);
    machine.restart({ for: 10 * HOUR });
    expect(machine.horizon).toBe(machine.time);
    machine.run(10 * DAY);
    const before = machine.time;
    machine.restart({ for: 30 * DAY });
    expect(machine.horizon).toBe(before);
    machine.state = acceptedState(machine.sight);
    expect(machine.horizon).toBe(machine.time);
  });

  test("is the clock when that is behind, at once, and catches up in silence", () => {
    const machine = new Machine();
    machine.run(DAY);
    machine.error = -400 * DAY;
    machine.run(DAY);
    expect(machine.horizon).toBe(machine.time - 400 * DAY);
    expect(machine.state.leap).toBeDefined();
    machine.error = 0;
    machine.run(HOUR);
    expect(machine.state.leap).toBeUndefined();
    expect(machine.horizon).toBe(machine.time);
  });

  test("without anything written down is no later than the newest file", () => {
    const { sight } = new Machine();
    const dormant = initialState(sight, START - 90 * DAY);
    expect(horizonOf(observe(dormant, sight, false), sight)).toBe(START - 90 * DAY);
    expect(horizonOf(initialState(sight, START + 90 * DAY), sight)).toBe(START);
  });

  test("is never more than a day, and a day a week, beyond true time before a leap is believed", () => {
    const change = fc.record({
      run: fc.integer({ min: 1, max: 12 * HOUR }),
      error: fc.option(fc.integer({ min: -DAY, max: 800 * DAY }), { nil: undefined }),
      restart: fc.boolean(),
    });
    fc.assert(
      // 12 changes of half a day at most: less than a week, so no leap can be believed meanwhile.
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        const machine = new Machine();
        for (const { run, error, restart } of changes) {
          machine.error = error ?? machine.error;
          machine.run(run);
          if (restart) machine.restart("process only");
          const allowance = DAY + (machine.time - START) / 7;
          expect(machine.horizon).toBeLessThanOrEqual(machine.time + allowance + 1);
        }
      }),
    );
  });
});

describe("the time a stored file gets", () => {
  test("is the clock's, unless that fell far behind", () => {
    const machine = new Machine();
    machine.run(DAY);
    expect(timeToStamp(machine.state, machine.sight)).toBe(machine.time);
    machine.error = -2 * HOUR;
    expect(timeToStamp(machine.state, machine.sight)).toBe(machine.time - 2 * HOUR);
    machine.error = 90 * DAY;
    expect(timeToStamp(machine.state, machine.sight)).toBe(machine.time + 90 * DAY);
    // A machine that wakes up in 1970: its files would have expired once its clock is right again.
    machine.error = -machine.time;
    expect(timeToStamp(machine.state, machine.sight)).toBe(machine.time);
    expect(timeToStamp(undefined, machine.sight)).toBe(0);
  });
});
