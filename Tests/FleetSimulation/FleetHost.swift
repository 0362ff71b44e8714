import HeaderArchive
import HeaderTransport
import HostAgent
import KernelHeaders

/// One of very many hosts: nothing but its number, and its kernel's files, which it shares with others.
struct FleetHost: CheckInHost {
    private let number: Int
    private let fleetKernel: FleetKernel
    private let isHonest: Bool

    init(_ number: Int, _ kernel: FleetKernel, isHonest: Bool) {
        self.number = number
        self.isHonest = isHonest
        fleetKernel = kernel
    }

    var kernel: KernelIdentity { fleetKernel.identity }

    var identity: HostIdentity {
        let digest = SHA256Hash.digest(of: Array("host \(number)".utf8))
        guard let host = HostID(bytes: digest.bytes.prefix(HostID.length)) else {
            preconditionFailure("16 bytes are an ID")
        }
        return HostIdentity(host: host, bootID: "boot \(digest)")
    }

    private var headers: UploadFile { isHonest ? fleetKernel.headers : fleetKernel.otherHeaders }

    func survey() async throws -> HostSurvey {
        HostSurvey(
            steps: [CollectStep(.sysfs, .usable)]
                + HeaderOrigin.allCases.dropFirst().map { CollectStep($0, .notNeeded) },
            offers: [
                ArtefactOffer(.headers, origin: .sysfs, bytes: headers.size, digest: headers.digest),
                ArtefactOffer(.btf, bytes: fleetKernel.btf.size, digest: fleetKernel.btf.digest),
            ])
    }

    func collect(_ artefact: Artefact) async throws -> CollectedArtefact {
        switch artefact {
        case .headers:
            CollectedArtefact(
                steps: HeaderOrigin.allCases.map { CollectStep($0, $0 == .sysfs ? .usable : .notNeeded) },
                found: (headers, .sysfs))
        case .btf: CollectedArtefact(steps: [], found: (fleetKernel.btf, nil))
        }
    }

    /// What is wrong with what the host was told; nil if nothing is.
    func objection(to report: CheckInReport) -> String? {
        let told = report.results.map { "\($0.artefact.rawValue) \($0.outcome.rawValue)" }.joined(separator: ", ")
        let right = report.results.allSatisfy { result in
            switch result.outcome {
            case .have, .uploaded: isHonest || result.artefact == .btf
            case .conflict: !isHonest && result.artefact == .headers
            default: false
            }
        }
        return right ? nil : "host \(number), \(isHonest ? "honest" : "dissenting"), was told: \(told)"
    }
}
