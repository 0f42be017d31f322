/** One promise of how fast scoped access is, with what a run measured. */
export interface Floor {
  readonly text: string;
  readonly subject: string;
  readonly bound: number;
  /** Whether the bound is the least or the most that is allowed. */
  readonly atLeast: boolean;
  readonly unit: string;
  readonly measured: number;
}

export function isMet({ measured, bound, atLeast }: Floor): boolean {
  return atLeast ? measured >= bound : measured <= bound;
}
