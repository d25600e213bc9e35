"""Beside a private Postfix on the same DNS and users: each input's outcome is Postfix's, or the difference is argued. As root."""
import shutil
import beside_aliases
import beside_hosts
import beside_relay
import beside_sendmail
import beside_smtp_in
import beside_smtp_out
import beside_soa
from harness import Tally, temporary

# Each has run_table(both), which returns its Table.
TABLES = [beside_smtp_in, beside_smtp_out, beside_sendmail, beside_aliases, beside_soa, beside_relay]


def run_suite(words):
    beside_hosts.enter_namespace()
    directory = temporary("beside")
    both, tables, tally = beside_hosts.Both(), [], Tally("beside")
    try:
        both.start(directory)
        tables = [module.run_table(both) for module in TABLES if not words or any(word in module.__name__ for word in words)]
    finally:
        both.stop()
    for table in tables:
        tally.passed += table.rows - len(table.failures)
        tally.failed += len(table.failures)
        for name in table.failures:
            print(f"FAILED  {name}")
    if not tally.failed:
        shutil.rmtree(directory, ignore_errors=True)
    return tally.end() and tally.passed > 0
