const mask = '***';

/** Hides the passwords of every URL in a text, in the user part and in a `password` parameter. */
export function maskUrls(text: string): string {
  return text
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/[^\s:@/?#]*):[^\s/?#]*@/gi, `$1:${mask}@`)
    .replaceAll(/([?&](?:ssl)?password=)[^\s&#]+/gi, `$1${mask}`);
}

/**
 * Hides URLs' passwords and every given secret, also where a driver's message repeats one outside a URL.
 *
 * @param secrets from {@link secretsOf}
 */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  const masked = secrets.reduce((rest, secret) => rest.replaceAll(secret, mask), text);
  return maskUrls(masked);
}

/**
 * The passwords in database URLs, plain and encoded, and other secrets, longest first. One that also is a user, host or database of the same URL, or that is
 * shorter than six characters, is left out: hiding it would blank ordinary words and hide nothing.
 */
export function secretsOf(urls: readonly string[], others: readonly string[] = []): readonly string[] {
  const secrets = new Set(others.filter((secret) => secret.length >= 6));
  for (const text of urls) {
    const url = new URL(text);
    const names = new Set([url.username, url.hostname, url.pathname.slice(1), url.protocol.slice(0, -1)]);
    for (const raw of [url.password, url.searchParams.get('password') ?? '']) {
      for (const secret of [raw, decode(raw)]) if (secret.length >= 6 && !names.has(secret)) secrets.add(secret);
    }
  }
  return Object.freeze([...secrets].sort((left, right) => right.length - left.length));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
