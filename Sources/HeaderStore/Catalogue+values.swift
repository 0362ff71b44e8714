internal import FoundationEssentials
public import GRDB
public import KernelHeaders

// Keys are blobs in the database: half the size of their hexadecimal text, in every index again.

extension Digest: DatabaseValueConvertible {
    public var databaseValue: DatabaseValue { Data(bytes).databaseValue }

    public static func fromDatabaseValue(_ value: DatabaseValue) -> Digest? {
        Data.fromDatabaseValue(value).flatMap { Digest(bytes: $0) }
    }
}

extension BuildID: DatabaseValueConvertible {
    public var databaseValue: DatabaseValue { Data(bytes).databaseValue }

    public static func fromDatabaseValue(_ value: DatabaseValue) -> BuildID? {
        Data.fromDatabaseValue(value).flatMap { BuildID(bytes: Array($0)) }
    }
}

extension HostID: DatabaseValueConvertible {
    public var databaseValue: DatabaseValue { Data(bytes).databaseValue }

    public static func fromDatabaseValue(_ value: DatabaseValue) -> HostID? {
        Data.fromDatabaseValue(value).flatMap { HostID(bytes: Array($0)) }
    }
}
