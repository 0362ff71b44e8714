public import HeaderStore

extension TemporaryFolder {
    /// Makes a token that never expires, of the server whose store is in here: see ``withRunningServer(isolation:in:access:address:uploads:pch:serving:logger:options:_:)``.
    ///
    /// - Returns: the field that a request shows it by, `Authorization: Bearer …`.
    public func authorization(_ role: TokenRole) throws -> String {
        let made = try TokenFile(state: path("store")).create(role: role, label: "test", expires: nil, now: 1)
        return "Authorization: Bearer \(made.secret)"
    }
}
