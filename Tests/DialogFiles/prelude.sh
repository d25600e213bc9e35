# What the commands of a dialog are preceded by; $1 is the home.
cd "$1"
export HOME="$1" PATH=/usr/bin:/bin LC_ALL=C TZ=UTC
umask 077
# Maildirs.
maildir() { for directory; do mkdir -p "$directory/cur" "$directory/new" "$directory/tmp"; done; }
# A short message with this subject.
message() {
    printf 'From: A <a@example.com>\nTo: b@example.org\nSubject: %s\nDate: Thu, 1 Jan 2026 10:00:00 +0000\nMessage-ID: <%s@example.com>\n\nbody %s\n' "$1" "$1" "$1"
}
# The same as an mbox has it; what follows the subject are more fields.
in_mbox() {
    printf 'From a@example.com Thu Jan  1 10:00:00 2026\n'
    subject=$1
    shift
    for field; do printf '%s\n' "$field"; done
    message "$subject"
    echo
}
