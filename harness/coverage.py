#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that each line that is not reached has a reason, which gcovr does not know.

coverage.py coverage.reasons JSON ROOT

JSON is gcovr's report on files in ROOT. The reason of a line also holds for the lines after
it, up to the next line that is reached. Prints the lines and their reasons.
"""
import json, sys


def main(reasons, report, root):
    with open(reasons) as f:
        known = [line.strip().split(' | ') for line in f if line.strip() and line[0] != '#']
    for reason in known:
        if len(reason) != 3:
            return f'{reasons}: not <file> | <text> | <reason>: {" | ".join(reason)}'
    with open(report) as f:
        files = json.load(f)['files']
    used, missing, counted = [], 0, 0
    for file in files:
        with open(f'{root}/{file["file"]}') as f:
            source = f.read().split('\n')
        why = None
        for line in file['lines']:
            if line.get('gcovr/noncode'):
                continue
            counted += 1
            if line['count']:
                why = None
                continue
            text = source[line['line_number'] - 1].strip()
            for reason in known:
                if reason[0] == file['file'] and reason[1] in text:
                    why = reason[2]
                    used.append(reason)
            print(f'not reached: {file["file"]}:{line["line_number"]}: {text}\n    {why or "NO REASON"}')
            missing += not why
    for reason in known:
        if reason not in used:
            print(f'note: reached, or gone, so that the reason can go: {reason[0]}: {reason[1]}')
    if not counted:
        return 'no line was counted'
    return f'{missing} lines are not reached and have no reason' if missing else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
