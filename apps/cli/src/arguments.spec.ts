import { resolve } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@fedcarbon/kernel';
import { givenPath, HELP, parseStart, parseVerify } from './arguments.ts';

describe('arguments of start', () => {
  it('have sensible defaults', () => {
    expect(parseStart([])).toEqual({ plan: 'ecebd-20', exit: false, fresh: false, port: 8080 });
  });

  it('are all understood', () => {
    const args = ['--plan', 'energy-20', '--rounds', '7', '--exit', '--report', 'r.json', '--fresh', '--port', '0'];
    expect(parseStart(args)).toEqual({
      plan: 'energy-20',
      rounds: 7,
      exit: true,
      report: 'r.json',
      fresh: true,
      port: 0,
    });
  });

  it.each([
    [['--epsilon', '1'], /--epsilon/],
    [['--rounds', '0'], /--rounds must be a whole number from 1/],
    [['--rounds', '2.5'], /found "2\.5"/],
    [['--port', '70000'], /--port/],
    [['surprise'], /surprise/],
    [['--plan'], /--plan/],
  ])('refuse %j in one sentence', (args, message) => {
    expect(() => parseStart(args)).toThrow(message);
    expect(() => parseStart(args)).toThrow(InvalidInputError);
  });

  it('ask for help', () => {
    expect(parseStart(['--help'])).toBe('help');
    for (const option of ['--plan', '--rounds', '--exit', '--report', '--fresh', '--port'])
      expect(HELP).toContain(option);
  });
});

describe('arguments of ledger verify', () => {
  it('are a file and a key', () => {
    expect(parseVerify(['ledger.jsonl', '--key', 'abc'])).toEqual({ file: 'ledger.jsonl', key: 'abc' });
    expect(parseVerify(['ledger.jsonl', '--key=-bc'])).toEqual({ file: 'ledger.jsonl', key: '-bc' });
  });

  it.each([[[]], [['ledger.jsonl']], [['--key', 'abc']], [['a', 'b', '--key', 'abc']]])(
    'say how they look for %j',
    (args) => {
      expect(() => parseVerify(args)).toThrow(/usage: ledger verify FILE --key=PUB/);
    },
  );
});

describe('paths', () => {
  const before = process.env['INIT_CWD'];
  afterEach(() => {
    if (before === undefined) delete process.env['INIT_CWD'];
    else process.env['INIT_CWD'] = before;
  });

  it('are those of the folder where npm was called', () => {
    process.env['INIT_CWD'] = resolve('/somewhere/below');
    expect(givenPath('r.json')).toBe(resolve('/somewhere/below/r.json'));
    expect(givenPath(resolve('/r.json'))).toBe(resolve('/r.json'));
  });

  it('are those of the working folder without npm', () => {
    delete process.env['INIT_CWD'];
    expect(givenPath('r.json')).toBe(resolve('r.json'));
  });
});
