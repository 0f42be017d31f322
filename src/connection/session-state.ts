/** What may stand before a parenthesis in a statement that leaves nothing behind: PostgreSQL's words, and functions without side effects. */
const harmless: ReadonlySet<string> = new Set(
  `all and any as between by case conflict cross cube distinct do else except exists filter from full group having ilike in inner intersect
   is join lateral left like limit materialized not nowait of offset on or order outer over partition returning right rollup row select set
   sets similar some then union update using values when where with within
   bit char decimal float interval numeric time timestamp timestamptz varchar
   abs array_agg array_length array_position array_to_string avg bool_and bool_or cardinality cast ceil ceiling char_length coalesce concat
   concat_ws count date_part date_trunc dense_rank every extract first_value floor format gen_random_uuid greatest initcap json_agg
   json_array_elements json_build_array json_build_object json_object_agg jsonb_agg jsonb_array_elements jsonb_array_length jsonb_build_array
   jsonb_build_object jsonb_object_agg jsonb_set lag last_value lead least length lower lpad ltrim make_interval max md5 min mod now ntile nullif
   octet_length overlay percentile_cont percentile_disc position power rank regexp_replace repeat replace round row_number row_to_json
   rpad rtrim sign split_part sqrt starts_with stddev string_agg string_to_array strpos substr substring sum timezone to_char to_date to_json
   to_jsonb to_number to_timestamp to_tsquery to_tsvector translate trim trunc unnest upper variance websearch_to_tsquery width_bucket`
    .trim()
    .split(/\s+/),
);

const plainCommand = /^[ \t\n\r\f\v(]*(?:select|insert|update|delete|with|values)\b/i;
/** A column list looks like a call of a quoted name. */
const insertTarget = /\binsert into (?:"[^"]*"\.)?"[^"]*" $/i;
const longestInsertTarget = 160;
const space = /[ \t\n\r\f\v]/;
/** Everything that PostgreSQL takes into an unquoted name. */
const inName = /[\w$\u0080-\uffff]/;
const notACall: ReadonlySet<string> = new Set('(,=<>+-*/%|&~^!@#[;');

const remembered = new Map<string, boolean>();
const maxRemembered = 1_000;
const longestRemembered = 10_000;

/**
 * Whether a statement could leave something on its session that outlives its transaction: a setting (`set_config(…, false)`), an advisory lock,
 * or what `random()` tells of the next draws.
 * Builders take fragments of SQL, so statements of the ORM can too. It answers no only where every call is one of a known, harmless
 * function; a doubt costs one message that cleans the session, a wrong no would cost the next tenant.
 */
export function leavesSessionState(text: string): boolean {
  if (text.length > longestRemembered) return examine(text);
  let answer = remembered.get(text);
  if (answer === undefined) {
    answer = examine(text);
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(text, answer);
  }
  return answer;
}

function examine(text: string): boolean {
  // A comment could stand between a function's name and its parenthesis; the view turns an update into a setting.
  if (!plainCommand.test(text) || text.includes('--') || text.includes('/*') || /pg_settings/i.test(text)) return true;
  for (let open = text.indexOf('('); open !== -1; open = text.indexOf('(', open + 1)) if (isCall(text, open)) return true;
  return false;
}

function isCall(text: string, open: number): boolean {
  let end = open;
  while (end > 0 && space.test(text[end - 1]!)) end--;
  let start = end;
  while (start > 0 && inName.test(text[start - 1]!)) start--;
  if (start < end) return !harmless.has(text.slice(start, end).toLowerCase());
  if (end === 0 || notACall.has(text[end - 1]!)) return false;
  return !insertTarget.test(text.slice(Math.max(0, open - longestInsertTarget), open));
}
