/** PostgreSQL's condition names by SQLSTATE (appendix A of its manual): what an error message may safely be made of. */
const conditions: Readonly<Record<string, string>> = {
  '02000': 'no data', '08P01': 'protocol violation',
  '0A000': 'feature not supported',
  '21000': 'cardinality violation',
  '22000': 'data exception', '22001': 'string data right truncation', '22003': 'numeric value out of range', '22004': 'null value not allowed',
  '22007': 'invalid datetime format', '22008': 'datetime field overflow', '22012': 'division by zero', '22021': 'character not in repertoire',
  '22023': 'invalid parameter value', '2202E': 'array subscript error', '22P02': 'invalid text representation',
  '22P03': 'invalid binary representation', '22P05': 'untranslatable character', '22025': 'invalid escape sequence',
  '22032': 'invalid JSON text', '2201B': 'invalid regular expression', '2201W': 'invalid row count in limit clause',
  '2201X': 'invalid row count in result offset clause', '22P04': 'bad copy file format',
  '23000': 'integrity constraint violation', '23001': 'restrict violation', '23502': 'not null violation', '23503': 'foreign key violation',
  '23505': 'unique violation', '23514': 'check violation', '23P01': 'exclusion violation',
  '25001': 'active SQL transaction', '25006': 'read only SQL transaction', '25P01': 'no active SQL transaction',
  '25P02': 'in failed SQL transaction', '25P03': 'idle in transaction session timeout', '25P04': 'transaction timeout',
  '26000': 'invalid SQL statement name', '27000': 'triggered data change violation',
  '28000': 'invalid authorization specification', '28P01': 'invalid password',
  '2D000': 'invalid transaction termination', '2F002': 'modifying SQL data not permitted', '34000': 'invalid cursor name',
  '3B001': 'invalid savepoint specification', '3D000': 'invalid catalog name', '3F000': 'invalid schema name',
  '40001': 'serialization failure', '40002': 'transaction integrity constraint violation', '40P01': 'deadlock detected',
  '42501': 'insufficient privilege', '42601': 'syntax error', '42602': 'invalid name', '42611': 'invalid column definition',
  '42622': 'name too long', '42701': 'duplicate column', '42702': 'ambiguous column', '42703': 'undefined column',
  '42704': 'undefined object', '42710': 'duplicate object', '42712': 'duplicate alias', '42723': 'duplicate function',
  '42725': 'ambiguous function', '42803': 'grouping error', '42804': 'datatype mismatch', '42809': 'wrong object type',
  '42830': 'invalid foreign key', '42846': 'cannot coerce', '42883': 'undefined function', '42939': 'reserved name',
  '42P01': 'undefined table', '42P02': 'undefined parameter', '42P05': 'duplicate prepared statement', '42P06': 'duplicate schema',
  '42P07': 'duplicate table', '42P08': 'ambiguous parameter', '42P10': 'invalid column reference', '42P17': 'invalid object definition',
  '42P18': 'indeterminate datatype', '42P19': 'invalid recursion', '42P20': 'windowing error', '42P22': 'indeterminate collation',
  '44000': 'with check option violation', '428C9': 'generated always',
  '53000': 'insufficient resources', '53100': 'disk full', '53200': 'out of memory', '53300': 'too many connections',
  '53400': 'configuration limit exceeded', '54000': 'program limit exceeded', '54001': 'statement too complex', '54011': 'too many columns',
  '54023': 'too many arguments', '55000': 'object not in prerequisite state', '55006': 'object in use', '55P03': 'lock not available',
  '57014': 'query canceled', '57P01': 'admin shutdown', '57P02': 'crash shutdown', '57P03': 'cannot connect now', '57P04': 'database dropped',
  '57P05': 'idle session timeout', '58030': 'I/O error', 'P0001': 'raise exception', 'P0002': 'no data found', 'P0003': 'too many rows',
  'P0004': 'assert failure', 'XX000': 'internal error', 'XX001': 'data corrupted', 'XX002': 'index corrupted',
};

const classes: Readonly<Record<string, string>> = {
  '08': 'connection exception', '22': 'data exception', '23': 'integrity constraint violation', '25': 'invalid transaction state',
  '28': 'invalid authorization', '40': 'transaction rollback', '42': 'syntax error or access rule violation', '53': 'insufficient resources',
  '54': 'program limit exceeded', '55': 'object not in prerequisite state', '57': 'operator intervention', '58': 'system error',
  'P0': 'PL/pgSQL error', 'XX': 'internal error',
};

/** A SQLSTATE's name; its class's where the state is a rare one. */
export function conditionName(sqlState: string): string {
  return conditions[sqlState] ?? classes[sqlState.slice(0, 2)] ?? 'an error';
}
