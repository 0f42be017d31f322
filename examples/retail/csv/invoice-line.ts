/** One usable line of an invoice file. */
export interface InvoiceLine {
  readonly kind: 'line';
  /** The file's name and the line's number in it, from 1; the header is line 1. */
  readonly file: string;
  readonly line: number;
  /** Begins with C where it takes an earlier invoice back. */
  readonly invoiceNo: string;
  /** The product's code in capitals: the files write one product both as 85123A and 85123a. */
  readonly stockCode: string;
  readonly description: string | undefined;
  /** Pieces; negative for returns and write-offs. */
  readonly quantity: number;
  /** The files name no zone: read as UTC. */
  readonly orderedAt: Date;
  /** Exact, with four decimals; 0 for samples and write-offs, below 0 for corrections of an account. */
  readonly unitPrice: string;
  readonly customerId: string | undefined;
  readonly country: string;
  /** The tenant that the country's retailer is. */
  readonly retailerId: string;
  readonly isReturn: boolean;
  /** False for postage, discounts, fees and manual corrections, which no shelf holds. */
  readonly isProduct: boolean;
  /**
   * The same for the same line in whichever file and however often it is read; different for lines that one file repeats. Unique within
   * a retailer, it makes an import that runs twice count nothing twice.
   */
  readonly lineKey: string;
}

/** A line that can't be used, and why. */
export interface LineProblem {
  readonly kind: 'problem';
  readonly file: string;
  readonly line: number;
  readonly reason: string;
}
