import { dropEffect, type Effect, type Tx } from '@capstan/database';
import type { EffectKind } from '@capstan/domain';
import { effectRequested } from '@capstan/events';
import type { EffectHandler } from '../effects/effect-executor.js';
import type { ParkedAsk, ParkedVerb } from './parked-requests.js';

export interface ParkedEffectOptions {
  /** Those that execute the effects: they write down what a refusal means, and a drop is one. */
  readonly handlers: Partial<Record<EffectKind, EffectHandler>>;
  /** What goes on with the effect, in the transaction of a replay. */
  readonly replayed?: (tx: Tx, effect: Effect) => Promise<void>;
  /** What ends with it, and how that is said; undefined for nothing else. */
  readonly dropped?: (tx: Tx, effect: Effect, ask: ParkedAsk) => Promise<string | undefined>;
  readonly wake: () => void;
}

/** Parked effects of an executor. A replay looks at the remote before it acts, as every try does. */
export function parkedEffect({ handlers, replayed, dropped, wake }: ParkedEffectOptions): ParkedVerb<Effect> {
  return {
    replay: async (tx, effect) => {
      const { workspaceId, taskId, id, kind } = effect;
      await replayed?.(tx, effect);
      await tx.emit(effectRequested, { workspaceId, taskId, effectId: id, kind });
      return `${words(kind)} is tried again`;
    },
    drop: async (tx, effect, ask) => {
      const result = await dropEffect(tx, effect, ask.words);
      await handlers[effect.kind]?.record?.(tx, effect, { kind: 'refused', ...result });
      const more = await dropped?.(tx, effect, ask);
      return [`${words(effect.kind)} is recorded as dropped`, more].filter(Boolean).join('; ');
    },
    wake,
  };
}

function words(kind: EffectKind): string {
  const text = kind.replaceAll('_', ' ');
  return `${text[0]!.toUpperCase()}${text.slice(1)}`;
}
