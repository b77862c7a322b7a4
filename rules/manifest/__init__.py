"""The manifests of rules: structs whose fields carry their units and meanings, for one who reads the forms."""
