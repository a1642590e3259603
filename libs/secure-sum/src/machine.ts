/**
 * A party as a pure state machine. Its state is the fold of facts; a party that restarts from its persisted facts is where it was. `step` decides; the
 * host carries the effects out in order and starts none before the one in front of it is done: what is persisted comes before what is sent. When
 * persisting fails, the host drops the remaining effects and the new state, and restores from what it has.
 */
export interface Machine<State, Event, Effect> {
  readonly initial: State;
  /** `fact` is one that `step` asked to persist. */
  apply(state: State, fact: Uint8Array): State;
  step(state: State, event: Event): { readonly state: State; readonly effects: readonly Effect[] };
}

/** Append `fact` to the party's durable journal. */
export interface PersistEffect {
  readonly type: 'persist';
  readonly fact: Uint8Array;
}

/** An event that is not acted upon, and why. Nothing has changed. */
export interface RefuseEffect {
  readonly type: 'refuse';
  readonly reason: string;
}

/** A running party with its machine's state inside. Immutable: `step` and `learn` return the next. */
export interface Party<Event, Effect, Standing = unknown> {
  /** What its host has to know of the state. */
  readonly standing: Standing;
  step(event: Event): { readonly party: Party<Event, Effect, Standing>; readonly effects: readonly Effect[] };
  /** Takes over a fact that this party has persisted elsewhere. */
  learn(fact: Uint8Array): Party<Event, Effect, Standing>;
}

/** A party that has lived through `facts`, which it persisted earlier. */
export function restore<State, Event, Effect, Standing>(
  machine: Machine<State, Event, Effect>,
  standingOf: (state: State) => Standing,
  facts: Iterable<Uint8Array>,
): Party<Event, Effect, Standing> {
  const running = (state: State): Party<Event, Effect, Standing> => ({
    get standing() {
      return standingOf(state);
    },
    step(event) {
      const after = machine.step(state, event);
      return { party: running(after.state), effects: after.effects };
    },
    learn: (fact) => running(machine.apply(state, fact)),
  });
  let state = machine.initial;
  for (const fact of facts) state = machine.apply(state, fact);
  return running(state);
}

/** One step in the making: facts take effect on `state` the moment they are to be persisted. */
export class Turn<State, Effect> {
  state: State;
  readonly effects: (Effect | PersistEffect | RefuseEffect)[] = [];
  readonly #apply: (state: State, fact: Uint8Array) => State;

  constructor(state: State, apply: (state: State, fact: Uint8Array) => State) {
    this.state = state;
    this.#apply = apply;
  }

  persist(fact: Uint8Array): void {
    this.state = this.#apply(this.state, fact);
    this.effects.push({ type: 'persist', fact });
  }

  emit(effect: Effect): void {
    this.effects.push(effect);
  }

  refuse(reason: string): void {
    this.effects.push({ type: 'refuse', reason });
  }
}
