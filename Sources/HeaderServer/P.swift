import Hummingbird
import Configuration
import ServiceLifecycle
enum P {}
