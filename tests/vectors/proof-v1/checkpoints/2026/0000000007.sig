a›4ë%ìœS'IÑŠ›øB¶bÒŒ¸áåjPZ)&T 7Z˜]“
öH 7(uÿq2¤0”Oü·CV—ÛÃnM