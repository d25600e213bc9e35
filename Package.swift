// swift-tools-version: 6.3
// relais: a mail system of small Unix tools. Modules are listed lowest first; an arrow never points
// up (`scripts/lint` holds the order below against what the sources import).

import PackageDescription

// Release tools are Embedded Swift: no type is made at run time, none is looked up by name, and what starts before main is
// libc's. A tool is a seventh of the size, and starts as a C program does. It is the same source: debug builds, which the unit
// tests run, have the whole runtime, and so has a release build where a toolchain lacks the embedded library, with
// RELAIS_WHOLE_RUNTIME set.
let embedded =
    Context.environment["RELAIS_WHOLE_RUNTIME"] == nil
    ? ["-enable-experimental-feature", "Embedded"] : []
// The compiler numbers the constant arrays of a function, and each module that has a copy of the function in its own order,
// under names that the linker takes for the same: so there must be none (scripts/onename looks for more of the kind). What
// no program uses goes, and the rest can be put in order, function by function.
let compiled =
    embedded.isEmpty
    ? [] : embedded + ["-Xllvm", "-sil-disable-pass=object-outliner", "-Xfrontend", "-function-sections"]

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .unsafeFlags(compiled, .when(configuration: .release)),
]

// scripts/order wants to see names.
let keepsNames = Context.environment["RELAIS_SYMBOLS"] != nil

// What runs at start lies together (scripts/link.order, made by scripts/order), constants beside the code, so that few pages
// are touched. lld, which the toolchain brings, is the linker that can do that; it does not mind names that are gone.
let inOrder = [
    "-use-ld=lld",
    "-Xlinker", "--symbol-ordering-file=\(Context.packageDirectory)/scripts/link.order",
    "-Xlinker", "--no-warn-symbol-ordering",
    "-Xlinker", "--no-rosegment",
    "-Xlinker", "--gc-sections", "-Xlinker", keepsNames ? "-S" : "-s",
]
// Release tools are one file that runs in an empty chroot. Debug builds stay dynamic: they link faster.
let fullyStatic: [LinkerSetting] = [
    .unsafeFlags(
        ["-static-executable"] + embedded + inOrder, .when(configuration: .release))
]
// charset-decode alone uses the system's libc, for iconv (see relais(7), "Charsets").
let staticSwiftOnly: [LinkerSetting] = [
    .unsafeFlags(
        ["-static-stdlib"] + embedded + inOrder, .when(configuration: .release))
]

/// `linking`: what a module map says is not heeded in Embedded Swift.
func library(
    _ name: String, _ dependencies: [Target.Dependency] = [], linking libraries: [String] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies, swiftSettings: strict,
        linkerSettings: libraries.map { .linkedLibrary($0) })
}

func tool(
    _ name: String, _ dependencies: [Target.Dependency], linking: [LinkerSetting]? = nil
) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, swiftSettings: strict,
        linkerSettings: linking ?? fullyStatic)
}

func tests(
    _ module: String, _ also: [Target.Dependency] = [], data: [String] = []
) -> Target {
    .testTarget(
        name: "\(module)Tests", dependencies: [.target(name: module), "TemporaryPlaces"] + also,
        exclude: data, swiftSettings: strict)
}

/// Tests/Fuzz: its targets are a part of the tests, which replay their corpora; with RELAIS_FUZZ set they are a program instead,
/// one that libFuzzer drives (`driver`, for scripts/fuzz) or one that says what comes of each input (`digest`, for
/// scripts/runtimes).
let fuzzed: [Target.Dependency] = [
    "Bytes", "Unix", "SASL", "Mail", "MIME", "Program", "Resolver", "Queue", "MailStore", "Front", "SMTP",
    "POP3", "IMAP", "Jobs", "Recipients", "Delivery", "Reception",
]
let others = ["Corpus", "Replay", "Driver", "Digest", "words.dict"]
let fuzz: Target =
    switch Context.environment["RELAIS_FUZZ"] {
    case "driver":
        .executableTarget(
            name: "relais-fuzz", dependencies: fuzzed, path: "Tests/Fuzz",
            exclude: others.filter { $0 != "Driver" }, swiftSettings: strict)
    case "digest":
        .executableTarget(
            name: "relais-digest", dependencies: fuzzed + ["DialogFiles"], path: "Tests/Fuzz",
            exclude: others.filter { $0 != "Digest" }, swiftSettings: strict, linkerSettings: fullyStatic)
    default:
        .testTarget(
            name: "FuzzTests", dependencies: fuzzed, path: "Tests/Fuzz",
            exclude: others.filter { $0 != "Replay" }, swiftSettings: strict)
    }

/// What every tool stands on.
let everyTool: [Target.Dependency] = ["Program", "Sandbox", "Mail", "Unix", "Bytes"]

let package = Package(
    name: "relais",
    targets: [
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CCrypt", providers: [.apt(["libcrypt-dev"])]),
        .systemLibrary(name: "CMemory"),
        .target(name: "CSystem", cSettings: [.define("RELAIS_STATIC", .when(configuration: .release))]),
        .target(name: "CIconv"),

        library("Bytes", ["CMemory"]),
        library("Unix", ["Bytes", "CSystem"]),
        library("Sandbox", ["Unix"]),
        library("SASL", ["Bytes"]),
        library("Mail", ["Bytes"]),
        library("MIME", ["Mail", "Bytes"]),
        library("Program", ["Unix", "Mail", "Bytes"]),
        library("Accounts", ["Program", "Unix", "Bytes"]),
        library("Front", ["Program", "Sandbox", "SASL", "Unix", "Bytes"]),
        library("TLS", ["Unix", "Bytes", "COpenSSL"], linking: ["ssl", "crypto"]),
        library("Resolver", ["Unix", "Mail", "Bytes"]),
        library("Queue", ["Unix", "Mail", "Bytes"]),
        library("MailStore", ["Unix", "Mail", "Bytes"]),
        library("Auth", ["Front", "Accounts", "Program", "Unix", "Bytes", "CCrypt"], linking: ["crypt"]),
        library("SMTP", ["Mail", "SASL", "Bytes"]),
        library("POP3", ["SASL", "Bytes"]),
        library("IMAP", ["MIME", "Mail", "SASL", "Bytes"]),
        library("Jobs", ["Mail", "Unix", "Bytes"]),
        library("Recipients", ["Jobs", "Accounts", "Program", "Mail", "Unix", "Bytes"]),
        library("Delivery", ["Recipients", "Jobs", "Accounts", "Program", "Mail", "Unix", "Bytes"]),
        library("Reception", ["Queue", "Program", "Mail", "Unix", "Bytes"]),
        library("Checking", ["Recipients", "Jobs", "Accounts", "Program", "Unix", "Bytes"]),
        library(
            "Running",
            ["Reception", "Recipients", "Jobs", "Accounts", "Queue", "Program", "Mail", "Unix", "Bytes"]),

        tool("smtpd", ["Front", "SASL", "SMTP", "Reception", "Queue", "Recipients", "Accounts"] + everyTool),
        tool(
            "sendmail-compat",
            ["SMTP", "Reception", "Queue", "Delivery", "Recipients", "Accounts"] + everyTool),
        tool(
            "queue-runner", ["Running", "Reception", "Checking", "Queue", "Accounts"] + everyTool),
        tool("remote-deliver", ["SMTP", "SASL", "MIME", "TLS", "Resolver", "Jobs", "Accounts"] + everyTool),
        tool("local-deliver", ["Delivery", "Recipients", "Jobs", "Accounts", "MailStore"] + everyTool),
        tool("pop3d", ["Front", "POP3", "MailStore"] + everyTool),
        tool("imapd", ["Front", "IMAP", "MIME", "MailStore", "Accounts"] + everyTool),
        tool("charset-decode", ["CIconv"] + everyTool, linking: staticSwiftOnly),
        tool("mxlookup", ["Resolver"] + everyTool),
        tool("checkpassword", ["Front", "Auth", "Accounts"] + everyTool),
        tool("tls-relay", ["Front", "TLS"] + everyTool),

        // Directories, queues and logs of a test's own.
        .target(
            name: "TemporaryPlaces", dependencies: ["Unix", "Bytes"], path: "Tests/TemporaryPlaces",
            swiftSettings: strict),
        // What reads and plays the transcripts of Tests/*/Dialogs.
        .target(
            name: "DialogFiles", dependencies: ["TemporaryPlaces", "Unix", "Bytes"],
            path: "Tests/DialogFiles",
            exclude: ["kinds.tsv", "prelude.sh"], swiftSettings: strict),
        tests("Bytes"),
        tests("Unix", ["Bytes"]),
        tests("SASL", ["Bytes"]),
        tests("Mail", ["Bytes"]),
        tests("MIME", ["Mail", "Bytes"]),
        tests("Program", ["Unix", "Mail", "Bytes"]),
        tests("Accounts", ["Program", "Unix", "Bytes"]),
        tests("Front", ["IMAP", "POP3", "SASL", "Program", "Unix", "Bytes"]),
        tests("TLS", ["tls-relay", "Program", "Unix", "Bytes"]),
        tests("Resolver", ["Unix", "Mail", "Bytes"]),
        tests("Queue", ["Unix", "Mail", "Bytes"]),
        tests("MailStore", ["Unix", "Mail", "Bytes"]),
        tests("Auth", ["Front", "Accounts", "Program", "Unix", "Bytes"]),
        tests("SMTP", ["DialogFiles", "Mail", "SASL", "Bytes"], data: ["Dialogs"]),
        tests(
            "POP3",
            ["DialogFiles", "pop3d", "Front", "SASL", "MailStore", "Program", "Unix", "Mail", "Bytes"],
            data: ["Dialogs"]),
        tests(
            "IMAP",
            [
                "DialogFiles", "imapd", "Front", "SASL", "MailStore", "Program", "Unix", "MIME", "Mail",
                "Bytes",
            ],
            data: ["Dialogs"]),
        tests("Jobs", ["Unix", "Mail", "Bytes"]),
        // What a decision comes to is asked of a plan once.
        tests("Recipients", ["Delivery", "Jobs", "Accounts", "Program", "Unix", "Mail", "Bytes"]),
        tests("Delivery", ["Recipients", "Jobs", "Accounts", "Program", "Unix", "Mail", "Bytes"]),
        tests("Checking", ["Recipients", "Jobs", "Accounts", "Program", "Unix", "Bytes"]),
        tests(
            "Reception",
            [
                "smtpd", "sendmail-compat", "Running", "Front", "Jobs", "SMTP", "Queue", "Program",
                "Mail",
                "Unix", "Bytes",
            ]),
        tests("Running", ["Reception", "Recipients", "Jobs", "Queue", "Program", "Mail", "Unix", "Bytes"]),
        fuzz,
    ]
)
