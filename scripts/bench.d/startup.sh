# scripts/bench startup: every tool from spawn to its first line beside a static C program that prints the same. Sourced.
rounds=${RELAIS_BENCH_ROUNDS:-300}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/queue/incoming" "$work/slots" "$work/home/Maildir/new" "$work/home/Maildir/cur" "$work/home/Maildir/tmp"
gcc -O2 -static -o "$work/spawn" "$top/scripts/bench.d/spawn.c" && gcc -O2 -static -o "$work/peer" "$top/scripts/bench.d/peer.c" || die "gcc is needed"
printf 'hostname = mx.example.org\nqueue-directory = %s/queue\nslots-directory = %s/slots\nlog = none\n' "$work" "$work" >"$work/conf"
export USER=x HOME=$work/home
[ -n "${tsv:-}" ] || printf '# microseconds from spawn to the first byte, medians of %s interleaved rounds; KiB resident; ratio above 1: we are ahead\n' "$rounds" >&2
measure() { # what, wait or empty, program, arguments
    local what=$1 wait=$2; shift 2
    local text; text=$("$@" </dev/null | head -c 4000)
    local row; row=$("$work/spawn" "$rounds" "$@" --peer "$work/peer" "$text" $wait) || die "$what could not be measured"
    read -r ours peak own peers peer_peak peer_own <<<"$row"
    print_row "$what" "$ours us" "static C" "$peers us" "$(awk "BEGIN { printf \"%.2f\", $peers / $ours }")"
    print_row "$what, peak resident" "$peak KiB" "static C" "$peer_peak KiB" "$(awk "BEGIN { printf \"%.2f\", $peer_peak / $peak }")"
    [ "$own" = 0 ] || print_row "$what, private" "$own KiB" "static C" "$peer_own KiB" "$(awk "BEGIN { printf \"%.2f\", $peer_own / ($own > 0 ? $own : 1) }")"
}
measure "smtpd to its banner" wait "$release/smtpd" -C "$work/conf"
measure "pop3d to its banner" wait "$release/pop3d" -C "$work/conf"
measure "imapd to its banner" wait "$release/imapd" -C "$work/conf"
measure "pop3d --mailbox to its banner" wait "$release/pop3d" -C "$work/conf" --mailbox
for program in sendmail-compat queue-runner local-deliver mxlookup checkpassword remote-deliver tls-relay; do
    measure "$program --version" "" "$release/$program" --version
done
