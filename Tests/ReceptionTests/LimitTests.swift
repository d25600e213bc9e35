import Jobs
import SMTP
import Testing

/// What one door takes, the next one must.
@Suite struct LimitTests {
    @Test("the parameters of any command that smtpd takes fit into a job, with what the queue adds to them")
    func parameters() {
        #expect(ServerSession.longestLine + 1024 <= Job.longestParameters)
    }
}
