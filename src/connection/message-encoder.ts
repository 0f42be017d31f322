import { contextMessage } from './lane-texts.ts';
import { MessageWriter } from './message-writer.ts';
import type { EncodedParameter } from './parameters.ts';
import { oidOf, PreparedStatement, type PreparedStatements } from './prepared-statements.ts';
import type { WireTask } from './wire-task.ts';

const letter = (character: string): number => character.charCodeAt(0);
const parseMessage = letter('P');
const bindMessage = letter('B');
const describeMessage = letter('D');
const closeMessage = letter('C');
const queryMessage = letter('Q');
const aStatement = Buffer.from('S');
/** Execute of the unnamed portal, all rows. */
const execute = Buffer.from([letter('E'), 0, 0, 0, 9, 0, 0, 0, 0, 0]);
const flush = Buffer.from([letter('H'), 0, 0, 0, 4]);
const sync = Buffer.from([letter('S'), 0, 0, 0, 4]);
/** Ends a session. */
export const terminate = Buffer.from([letter('X'), 0, 0, 0, 4]);

/** Writes tasks as messages, parsing each statement ahead of its first use. */
export class MessageEncoder {
  readonly writer = new MessageWriter();
  readonly #statements: PreparedStatements;

  constructor(statements: PreparedStatements) {
    this.#statements = statements;
  }

  write(task: WireTask): void {
    const { writer } = this;
    // Ahead of everything that could fail, or the server would skip it.
    this.#close(this.#statements.abandoned());
    if (task.control !== undefined) {
      writer.begin(queryMessage);
      writer.cString(task.control);
      writer.end();
      return;
    }
    const { unit } = task;
    if (unit !== undefined) {
      const { text, params } = contextMessage(unit.context, unit.token);
      const statement = this.#statements.use(text, params);
      task.context = statement;
      task.contextIsNew = this.#parse(statement, text, params);
      this.#bind(statement, params);
      if (task.onBegan !== undefined) writer.bytes(flush);
    }
    const statement = task.prepare ? this.#statements.use(task.text, task.params) : new PreparedStatement('', '');
    task.statement = statement;
    task.statementIsNew = this.#parse(statement, task.text, task.params);
    this.#bind(statement, task.params);
    writer.bytes(sync);
  }

  #close(names: readonly string[]): void {
    for (const name of names) {
      this.writer.begin(closeMessage);
      this.writer.bytes(aStatement);
      this.writer.cString(name);
      this.writer.end();
    }
  }

  #parse(statement: PreparedStatement, text: string, params: readonly EncodedParameter[]): boolean {
    if (statement.sent) return false;
    statement.sent = true;
    const { writer } = this;
    writer.begin(parseMessage);
    writer.cString(statement.name);
    writer.cString(text);
    writer.int16(params.length);
    for (const param of params) writer.int32(oidOf(param));
    writer.end();
    writer.begin(describeMessage);
    writer.bytes(aStatement);
    writer.cString(statement.name);
    writer.end();
    return true;
  }

  #bind(statement: PreparedStatement, params: readonly EncodedParameter[]): void {
    const { writer } = this;
    writer.begin(bindMessage);
    writer.bytes(statement.bindHead);
    writer.int16(params.length);
    for (let index = 0; index < params.length; index++) {
      const param = params[index]!;
      if (param === null) writer.int32(-1);
      else writer.sized(typeof param === 'string' ? param : param.text);
    }
    // Results as text.
    writer.int16(0);
    writer.end();
    writer.bytes(execute);
  }
}
