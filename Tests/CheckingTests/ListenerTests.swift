import Testing

@testable import Checking

@Suite struct ListenerTests {
    private static func inetd(_ text: String) -> [Listener] {
        InetdFile.listeners(in: Array(text.utf8), path: "/etc/inetd.conf")
    }

    @Test("a line of inetd.conf is read in the ways that inetds write it")
    func inetdLines() throws {
        let lines = Self.inetd(
            """
            # smtp stream tcp nowait root /bin/false false
            #: mail
            smtp\tstream\ttcp\tnowait.1000000\trelaisd\t/l/smtpd\tsmtpd --tls -C /x

            127.0.0.5:2525 stream tcp4 nowait/10/5 relaisd:relaisi/daemon /l/smtpd smtpd
            /s/kick dgram unix wait.1000000 relaisq.relaisq /s/queue-runner queue-runner --kick
            short line
            :root:wheel:666:/n/tls stream unix nowait/0/0/0 relaist /l/tls-relay tls-relay
            """)
        #expect(lines.map { $0.origin } == [3, 5, 6, 8].map { "/etc/inetd.conf:\($0)" })
        #expect(lines.map { $0.service } == ["smtp", "127.0.0.5:2525", "/s/kick", "/n/tls"])
        #expect(lines.map { $0.user } == ["relaisd", "relaisd", "relaisq", "relaist"])
        #expect(lines.map { $0.isWaiting } == [false, false, true, false])
        #expect(lines[3].isUnix)
        #expect(lines[0].arguments == ["--tls", "-C", "/x"])
        #expect(lines[2].programName == "queue-runner" && lines[2].isUnix)
    }

    @Test("xinetd's services are read, those that are turned off are not")
    func xinetd() {
        let text = """
            service smtp
            {
                socket_type = stream
                wait        = no
                user        = relaisd
                server      = /l/smtpd
                server_args = --tls -C /x
                bind        = 127.0.0.5
            }
            service imap
            {
                server = /l/imapd
                disable = yes
            }
            """
        let found = XinetdFile.listeners(in: Array(text.utf8), path: "/etc/xinetd.d/mail")
        #expect(found.map { $0.service } == ["127.0.0.5:smtp"])
        #expect(found.map { $0.user } == ["relaisd"])
        #expect(found.map { $0.arguments } == [["--tls", "-C", "/x"]])
        #expect(found.map { $0.isWaiting } == [false])
    }

    @Test("a socket unit and its service are one listener")
    func systemd() {
        let socket = SystemdUnit(
            Array("[Socket]\nListenStream=/s/queue/local\nAccept=yes\n#Accept=no\n".utf8))
        #expect(socket.serviceName(ofSocket: "relais-local.socket") == "relais-local@.service")
        let service = SystemdUnit(Array("[Service]\nUser=root\nExecStart=-/l/local-deliver --service\n".utf8))
        let found = socket.listener(named: "relais-local.socket", starting: service, isEnabled: false)
        #expect(found?.service == "/s/queue/local")
        #expect(found?.program == "/l/local-deliver")
        #expect(found?.arguments == ["--service"])
        #expect(found?.isWaiting == false && found?.isEnabled == false)
        let kick = SystemdUnit(Array("[Socket]\nListenDatagram = /s/kick\nAccept = no\n".utf8))
        #expect(kick.serviceName(ofSocket: "relais-kick.socket") == "relais-kick.service")
    }

    @Test(
        "where a network listener is asked",
        arguments: [
            ("smtp", "127.0.0.1:25"), ("2525", "127.0.0.1:2525"), ("127.0.0.5:imap2", "127.0.0.5:143"),
            ("[::1]:110", "[::1]:110"), ("*:pop3", "127.0.0.1:110"), ("0.0.0.0:25", "127.0.0.1:25"),
            ("no-such-name", "nil"), ("host.example:25", "nil"), ("", "nil"), (":", "nil"),
        ])
    func addresses(service: String, address: String) {
        #expect(Probe.address(of: service).map { "\($0)" } ?? "nil" == address)
    }

    @Test(
        "our greetings and refusals are told from another server's",
        arguments: [
            ("220 mx.example ESMTP relais\r\n", true), ("+OK mx.example POP3 relais\r\n", true),
            ("* OK [CAPABILITY IMAP4rev1] relais ready\r\n", true), ("421 4.7.0 too many\r\n", true),
            ("220 mx.example ESMTP Postfix\r\n", false), ("220 relaishost.example ESMTP Exim\r\n", false),
            ("", false), ("SSH-2.0-OpenSSH\r\n", false),
        ])
    func greetings(line: String, isOurs: Bool) {
        #expect((Probe.judge(greeting: Array(line.utf8)) == .answers) == isOurs)
    }
}
