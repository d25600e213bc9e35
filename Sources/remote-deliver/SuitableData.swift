import MIME
import Mail
import SMTP
import Unix

/// What one server is sent of a message: all of it, in a form that the server can take; or why there is none.
enum SuitableData {
    case data(MailData)
    case none(ClientOutcome)

    /// RFC 6152 §3: to a server without 8BITMIME goes nothing that is not ASCII; a message that is converted loses
    /// nothing, and one that cannot be converted without damage is returned. A line over the limit of RFC 5321
    /// §4.5.3.1.6 goes to nobody as it is.
    static func of(
        _ data: MailData, for transaction: ClientTransaction, _ capabilities: Capabilities, host: String
    ) throws(SystemError) -> SuitableData {
        let survey = data.survey
        let isUTF8 = transaction.isDeclaredUTF8
        let takesEightBits = capabilities.eightBitMIME || (isUTF8 && capabilities.smtpUTF8)
        let isSevenBitNeeded = survey.hasEightBits && (!takesEightBits || (isUTF8 && !capabilities.smtpUTF8))
        guard isSevenBitNeeded || survey.hasLongLines, !transaction.hasUTF8Addresses || capabilities.smtpUTF8
        else { return .data(data) }
        // RFC 6531 §3.5: nobody takes SMTPUTF8 from a message whose header needs it.
        let target = ConversionTarget(isSevenBit: isSevenBitNeeded, encodesTopHeader: !isUTF8)
        switch try data.converted(to: target) {
        case .data(let converted): return .data(converted)
        case .refused(.header) where isUTF8:
            return .none(
                ClientOutcome(.failed, EnhancedStatus(5, 6, 7), "host \(host) does not support SMTPUTF8"))
        case .refused(let refusal):
            let why =
                isSevenBitNeeded
                ? "host \(host) does not support 8BITMIME"
                : "a line of the message has \(survey.longestLine) bytes, \(DataSurvey.longestLineAllowed) are allowed"
            return .none(
                ClientOutcome(
                    .failed, EnhancedStatus(5, 6, 3), "\(why), and \(refusal.words)"))
        }
    }
}
