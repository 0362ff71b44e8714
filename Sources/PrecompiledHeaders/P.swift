enum PlaceholderPrecompiledHeaders {}
