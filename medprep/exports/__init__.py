"""What a workspace holds in the forms that other programs and challenges ask for."""
