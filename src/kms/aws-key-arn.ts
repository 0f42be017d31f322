/**
 * Whether a text is the ARN of a key in a region. Aliases are none: whoever may move an alias would choose the key.
 *
 * @example
 * ```ts
 * isKeyArn('arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab', 'eu-central-1'); // true
 * ```
 */
export function isKeyArn(text: string, region: string): boolean {
  const [arn, partition, service, where, account, resource, ...more] = text.split(':');
  return (
    arn === 'arn' &&
    /^aws(-[a-z]+)*$/.test(partition ?? '') &&
    service === 'kms' &&
    where === region &&
    /^\d{12}$/.test(account ?? '') &&
    /^key\/[A-Za-z0-9-]{1,128}$/.test(resource ?? '') &&
    more.length === 0
  );
}
