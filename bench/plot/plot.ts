import type { BenchDocument } from '../bench-document.ts';
export function plot(_d: BenchDocument): string { return ''; }
