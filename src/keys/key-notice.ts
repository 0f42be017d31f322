/** What a process that may hold a tenant's keys is told by the control plane. */
export interface KeyNotice {
  /** Notices are followed in this order. */
  readonly seq: number;
  readonly tenantId: string;
  /** Fetch them anew, or destroy them in memory. */
  readonly kind: 'reload' | 'forget';
}
