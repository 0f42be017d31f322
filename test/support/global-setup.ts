export default function setup(): void {
  if (process.env['DATABASE_URL'] === undefined) throw new Error('set DATABASE_URL');
}
