/// Somebody who may log in, and as whom the session runs.
package struct Account: Equatable {
    package let name: String
    package let uid: UInt32
    package let gid: UInt32
    package let home: String
    package let shell: String
    /// As crypt(3) makes it, or `{SCHEME}` and what that says.
    let password: [UInt8]

    package init(name: String, uid: UInt32, gid: UInt32, home: String, shell: String, password: [UInt8]) {
        self.name = name
        self.uid = uid
        self.gid = gid
        self.home = home
        self.shell = shell
        self.password = password
    }
}
