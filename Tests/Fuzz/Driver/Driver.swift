import Unix

// What libFuzzer calls. One program holds all targets; `RELAIS_FUZZ` names the one to run.

private let target: FuzzTarget = {
    let name = Environment.value(of: "RELAIS_FUZZ") ?? ""
    if let target = FuzzTarget.all.first(where: { $0.name == name }) { return target }
    let names = FuzzTarget.all.map(\.name).joined(separator: " ")
    try? File.writeAll(2, Array("RELAIS_FUZZ is to name one of: \(names)\n".utf8))
    terminate(64)
}()

@_cdecl("LLVMFuzzerTestOneInput")
func test(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = unsafe Array(UnsafeBufferPointer(start: bytes, count: count))
    do { try target.run(input) } catch { fatalError("\(error)") }
    return 0
}
