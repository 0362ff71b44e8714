import GRDB
import Crypto
import Logging
enum P {}
