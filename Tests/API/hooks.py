"""What schemathesis has to be told of this API's media types."""
import schemathesis
from hypothesis import strategies

# Parts of uploads are bytes.
schemathesis.openapi.media_type("application/partial-upload", strategies.binary(max_size=1000))
