/// Who built a kernel, by what builders put into its version line, else by how they call releases.
enum KernelDistribution {
    /// The first that fits counts: Ubuntu's and Amazon's lines name others' compilers, too.
    private static let versionLines = [
        ("Ubuntu", "ubuntu"), ("ubuntu", "ubuntu"), ("buildd@", "ubuntu"), ("Debian", "debian"), ("debian", "debian"),
        ("rockylinux", "rocky"), ("almalinux", "almalinux"), ("centos.org", "centos"), ("oraclevm", "oracle"),
        ("fedoraproject", "fedora"), ("Fedora", "fedora"), ("redhat.com", "rhel"), ("geeko@", "suse"),
        ("SUSE", "suse"), ("Alpine", "alpine"), ("archlinux", "arch"), ("NixOS", "nixos"), ("nixbld", "nixos"),
        ("Gentoo", "gentoo"), ("Proxmox", "proxmox"),
    ]
    private static let releases = [
        (".amzn", "amazon"), ("el8uek", "oracle"), ("el9uek", "oracle"), (".fc", "fedora"), (".el", "rhel"),
        ("-generic", "ubuntu"), ("-lowlatency", "ubuntu"), ("-WSL2", "wsl"), ("-arch", "arch"), ("-pve", "proxmox"),
        ("-default", "suse"), ("-gentoo", "gentoo"), (".azl", "azurelinux"), (".cm2", "azurelinux"),
        ("-talos", "talos"),
        ("-flatcar", "flatcar"), ("-amd64", "debian"), ("-arm64", "debian"), ("+deb", "debian"),
    ]

    /// - Returns: nil if neither tells.
    static func name(release: String?, versionLine: String?) -> String? {
        // Amazon's own kernels are built on hosts that are called after nobody.
        if release?.contains(".amzn") == true { return "amazon" }
        for (part, name) in versionLines where versionLine?.contains(part) == true { return name }
        for (part, name) in releases where release?.contains(part) == true { return name }
        return nil
    }
}
