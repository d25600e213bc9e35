import Bytes
import TemporaryPlaces
import Testing
import Unix

/// sendmail-compat as it is installed: setgid to the group that may add to the queue, called by a user.
@Suite(.enabled(if: TestHost.isPossible)) struct SetGroupTests {
    private static let group: UInt32 = 4242

    /// A host whose /etc is the test's own, with a queue that only the group may add to.
    private func run(_ command: String, input: String = "Subject: x\n\nbody\n") throws -> (
        status: ChildProcess.Status, output: String, queued: [String]
    ) {
        let directory = try TemporaryDirectory()
        let root = try Directory(directory.path)
        for (name, mode) in [("queue", 0o710), ("etc", 0o755), ("bin", 0o755)] as [(String, UInt32)] {
            try root.makeDirectory(name, mode: mode)
        }
        let queue = try Directory("queue", in: root)
        try queue.descriptor.setOwner(user: 802, group: Self.group)
        try queue.makeDirectory("incoming", mode: 0o700)
        let incoming = try Directory("incoming", in: queue)
        try incoming.descriptor.setOwner(user: 802, group: 802)
        try incoming.descriptor.setMode(0o3733)
        try directory.write("passwd", "bob:x:2001:2001:Bob Bloom:/:/bin/sh\n")
        try directory.write(
            "relais.conf",
            "hostname = mx.example.org\nqueue-directory = \(directory.path)/queue\nlog = none\n")
        let script = """
            cp \(try BuiltProgram.path("sendmail-compat")) $1/bin/sendmail
            chgrp \(Self.group) $1/bin/sendmail; chmod 2755 $1/bin/sendmail
            mount -t tmpfs tmpfs /etc; mkdir /etc/relais; cp $1/relais.conf /etc/relais/; cp $1/passwd /etc/
            cd $1; setpriv --reuid 2001 --regid 2001 --clear-groups /bin/sh -c '\(command)' $1/bin/sendmail $1
            """
        let (status, output) = try BuiltProgram.run(
            "/usr/bin/unshare", ["-m", "-n", "/bin/sh", "-c", script, "sh", directory.path], input: input,
            environment: ["PATH=/usr/sbin:/usr/bin:/bin:/sbin"])
        let queued = try incoming.names().compactMap { name in
            #expect(try Path.status("\(directory.path)/queue/incoming/\(name)")?.mode == 0o660)
            #expect(try Path.status("\(directory.path)/queue/incoming/\(name)")?.user == 2001)
            return try Path.contents("\(directory.path)/queue/incoming/\(name)")
        }
        return (status, output, queued.map { String(decoding: $0, as: UTF8.self) })
    }

    @Test("a user adds to the queue by the group, and the message is the user's")
    func submit() throws {
        let (status, output, queued) = try run("umask 077; $0 -i carol")
        #expect(status == .exited(0), "\(output)")
        #expect(queued.count == 1)
        #expect(queued.first?.contains("from <bob@mx.example.org>\nto <carol@mx.example.org>\n") == true)
        #expect(queued.first?.contains("\nFrom: Bob Bloom <bob@mx.example.org>\n") == true)
    }

    @Test(
        "the group serves nothing else (T74, T75)",
        arguments: [
            // A configuration of the caller's: its queue would be reached with our group.
            "cp relais.conf /tmp/c.$$; $0 -C /tmp/c.$$ carol; s=$?; rm /tmp/c.$$; exit $s",
            // A private copy of the link leads to the caller's programs.
            "mkdir /tmp/d.$$; ln -s $0 /tmp/d.$$/sendmail; cd /tmp/d.$$; printf \"#!/bin/sh\\nid -g\\n\" > queue-runner; "
                + "chmod 755 queue-runner; ./sendmail -bp; s=$?; rm -r /tmp/d.$$; exit $s",
            "LD_PRELOAD=/tmp/x $0 -X queue/incoming/evil -oQqueue/incoming -bv carol; exit 75",
            "$0 -bi -C queue/x",
        ])
    func nothingElse(command: String) throws {
        let (status, output, queued) = try run(command)
        #expect(status != .exited(0), "\(output)")
        #expect(queued == [])
        #expect(!output.contains("\(Self.group)"))
    }

    @Test("whoever lacks the group is told to come back, and nothing is kept")
    func noNewPrivileges() throws {
        let (status, _, queued) = try run("setpriv --no-new-privs $0 carol")
        #expect(status == .exited(75))
        #expect(queued == [])
    }
}
